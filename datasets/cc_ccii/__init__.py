"""CC-CCII: normal, common pneumonia or COVID-19 in chest CT."""
