python -m airflow_provider_trifacta.check trifacta_dev --role dev
python -m airflow_provider_trifacta.check trifacta_prod --role prod
