airflow connections add trifacta_dev --conn-type trifacta --conn-host http://127.0.0.1:3005 \
  --conn-login admin@example.com --conn-password admin-password
airflow connections add trifacta_prod --conn-type trifacta --conn-host http://127.0.0.1:3006 \
  --conn-login admin@example.com --conn-password admin-password --conn-extra '{"read_timeout": 30}'
