//! What operators speak to: the control API.
