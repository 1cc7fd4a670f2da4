"""How Flower shows our tasks: `celery -A worker flower` finds this file by its name. See docs/operations.md.

Options on its command line win over these.
"""

# A task's name is its run's agent, its argument the run, its result how the run stood when the delivery ended.
tasks_columns = "name,args,state,result,received,runtime,worker"

# Flower asks nobody for a password unless it is told to.
address = "127.0.0.1"

# Workers take no remote commands: they would be asked in vain, and the buttons would do nothing.
enable_events = False
read_only = True
inspect_timeout = 100.0

# On a platform every restart makes a worker of another name.
purge_offline_workers = 300
