SELECT {{read}} FROM {{breaker}} AS breaker
