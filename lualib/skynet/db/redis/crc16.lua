-- The checksum behind the slots of a Redis cluster, CRC-16/XMODEM: a function of a string.
return require("skyloom.resp").crc16
