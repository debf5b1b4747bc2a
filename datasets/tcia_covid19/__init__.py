"""CT Images in COVID-19."""
