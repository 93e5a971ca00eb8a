//! A process that dies at each stage.
