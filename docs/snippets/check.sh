python -m airflow_provider_trifacta.check trifacta_dev
python -m airflow_provider_trifacta.check trifacta_prod
