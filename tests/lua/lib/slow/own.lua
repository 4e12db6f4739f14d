return require "slow.own"
