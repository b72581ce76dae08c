airflow pools set trifacta_orders 1 "Promotions to the deployment Orders" --include-deferred
