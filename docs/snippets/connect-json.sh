export AIRFLOW_CONN_TRIFACTA_DEV='{
  "conn_type": "trifacta",
  "host": "http://127.0.0.1:3005",
  "login": "admin@example.com",
  "password": "admin-password"
}'
