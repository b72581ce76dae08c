airflow connections add trifacta_dev --conn-json '{
  "conn_type": "trifacta", "host": "http://127.0.0.1:3005", "login": "admin@example.com", "password": "admin-password"
}'
airflow connections add trifacta_prod --conn-type trifacta --conn-host http://127.0.0.1:3006 \
  --conn-login admin@example.com --conn-password admin-password --conn-extra '{"read_timeout": 30}'
