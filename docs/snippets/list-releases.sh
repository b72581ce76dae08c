python list_releases.py trifacta_prod Orders
