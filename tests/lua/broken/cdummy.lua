error "this cdummy is broken"
