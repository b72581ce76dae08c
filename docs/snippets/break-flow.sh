curl --silent --show-error --fail -X PATCH http://127.0.0.1:3005/emulator/flows/1001 \
  -H 'Content-Type: application/json' -d '{"dataset_path": "/data/missing.csv"}'
