airflow dags test export_package
