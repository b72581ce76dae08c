pip install pytest
python -m pytest tests
