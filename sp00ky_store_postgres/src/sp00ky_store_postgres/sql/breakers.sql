SELECT {{breaker_read}} FROM {{breaker}} AS breaker
