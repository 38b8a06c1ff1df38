"""Everything is killed, paused and restored old at random while events flow; afterwards it is counted what was lost or doubled."""
