pip wheel ./airflow-provider-trifacta ./airflow-provider-trifacta/emulator --no-deps --wheel-dir wheels
pip install wheels/*.whl --constraint airflow-provider-trifacta/constraints/airflow-3.3.txt
