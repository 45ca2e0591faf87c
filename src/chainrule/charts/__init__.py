"""Pictures as SVG text: charts of a fit and the computation graph of one row. matplotlib loads when one is drawn."""
