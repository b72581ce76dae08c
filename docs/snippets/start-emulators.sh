trifacta-emulator --port 3005 --instance-type dev --flow Orders --flow Invoices --flow Returns > dev.log &
trifacta-emulator --port 3006 --instance-type prod --deployment Orders --deployment Invoices --deployment Returns \
  --missing-path /data/missing.csv > prod.log &
