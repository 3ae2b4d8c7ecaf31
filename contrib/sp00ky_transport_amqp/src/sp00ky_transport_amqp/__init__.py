"""Deliver jobs to RabbitMQ, as persistent messages that the broker has confirmed."""
