"""What is made of measurements: the table, the chart, recommendations."""
