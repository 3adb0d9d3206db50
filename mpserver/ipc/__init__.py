"""What crosses processes and interpreters: messages, the scoreboard, figures and states in shared memory."""
