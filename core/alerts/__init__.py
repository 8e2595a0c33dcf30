"""Alerts: what an operator wants to hear of while away, sent over Apprise; see docs/alerts.md."""
