"""What turns a configuration into a running service: settings, adapters chosen by them, logs."""
