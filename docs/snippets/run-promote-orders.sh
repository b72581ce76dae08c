airflow dags test promote_orders
