airflow dags test promote_three_flows
