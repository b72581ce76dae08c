export AIRFLOW_CONN_TRIFACTA_BEHIND_PROXY='{
  "conn_type": "trifacta",
  "host": "https://trifacta.example.com",
  "login": "promoter@example.com",
  "password": "...",
  "extra": {
    "proxies": "http://proxy.example.com:3128",
    "verify": "/etc/ssl/certs/our-ca.pem"
  }
}'
