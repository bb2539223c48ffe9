//! Delivers updates to webhooks.
