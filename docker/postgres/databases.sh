#!/bin/sh
# Run once by the PostgreSQL image, on an empty volume: two databases, each with an owner of its own.
set -eu
make() {
    psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set=name="$1" --set=password="$(cat "$2")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C.UTF-8';
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
make vernacular /run/secrets/pages_database_password
make desk /run/secrets/desk_database_password
