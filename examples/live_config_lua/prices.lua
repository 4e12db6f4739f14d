-- What the shop's services share. Edit it while the node runs, then send RELOAD.
version = 1
currency = "EUR"
prices = { apple = 30, pear = 45 }
discounts = { { from = 10, percent = 5 }, { from = 100, percent = 20 } }
