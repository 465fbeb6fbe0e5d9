"""Optimizers, their functional forms, and schedules."""
