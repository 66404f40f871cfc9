#!lua flags=allow-oom
-- Refused by a replica, by a server that is loading, and by one too old for what the other scripts need.
return 1
