pip install pytest
python -m pytest "$AIRFLOW_HOME/tests"
