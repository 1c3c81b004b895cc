"""Roles, databases, privileges and settings of PostgreSQL. Shipped to hosts (Python 3.8, standard library).

All through psql(1) on the host, as the server's own user over its Unix socket. SQL goes in over stdin, so no
password is ever in an argv; passwords are sent as SCRAM verifiers, so none is in the server's log either.
The steps are in modules of their own, because each travels to hosts with all of its module.
"""

from provision.steps.base import step
from provision.steps.postgres_access import Access as Access
from provision.steps.postgres_copies import DatabaseCopy as DatabaseCopy
from provision.steps.postgres_databases import Database as Database
from provision.steps.postgres_databases import Extension as Extension
from provision.steps.postgres_grants import DefaultPrivileges as DefaultPrivileges
from provision.steps.postgres_grants import Grant as Grant
from provision.steps.postgres_owners import Owner as Owner
from provision.steps.postgres_roles import DatabaseRole as DatabaseRole
from provision.steps.postgres_settings import Setting as Setting

role = step(DatabaseRole)
database = step(Database)
database_copy = step(DatabaseCopy)
extension = step(Extension)
grant = step(Grant)
default_privileges = step(DefaultPrivileges)
owner = step(Owner)
setting = step(Setting)
access = step(Access)
