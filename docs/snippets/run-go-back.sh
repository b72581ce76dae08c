airflow dags test go_back --conf '{"deployment_name": "Orders", "release_id": 101}'
