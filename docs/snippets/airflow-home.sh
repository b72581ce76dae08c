export AIRFLOW_HOME=$PWD/airflow-home AIRFLOW__CORE__LOAD_EXAMPLES=False
export TRIFACTA_PACKAGES=$AIRFLOW_HOME/packages
mkdir -p "$AIRFLOW_HOME/dags" "$TRIFACTA_PACKAGES"
airflow db migrate
