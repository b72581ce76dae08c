cd airflow-provider-trifacta
pip install . ./emulator --constraint constraints/airflow-3.3.txt
