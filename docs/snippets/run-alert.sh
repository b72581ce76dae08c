python webhook.py &
export ALERT_WEBHOOK=http://127.0.0.1:3009
airflow dags test promote_with_alert || echo "The run is red, as it should be."
cat alert.txt
