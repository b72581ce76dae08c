export ALERTS=$PWD/alerts.txt
airflow dags test promote_with_alert || echo "The run is red, as it should be."
cat "$ALERTS"
