trifacta-emulator --port 3005 --flow Orders --flow Invoices --flow Returns > dev.log &
trifacta-emulator --port 3006 --deployment Orders --deployment Invoices --deployment Returns \
  --missing-path /data/missing.csv > prod.log &
