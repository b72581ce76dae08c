python3 -m venv airflow
source airflow/bin/activate
pip install "apache-airflow~=3.3.0" --constraint airflow-provider-trifacta/constraints/airflow-3.3.txt
