PRELOADED = table.concat({ ... }, " ")
