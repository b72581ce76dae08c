export AIRFLOW_CONN_TRIFACTA_PROD='trifacta://admin%40example.com:admin-password@127.0.0.1:3006/http?read_timeout=30'
