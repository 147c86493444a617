"""Texts of the kinds that the peers' own tests and documentation have, by the name of the peer.

See src/interfaces/libpq/t/001_uri.pl of PostgreSQL, test/engine/test_parseconnect.py and test/dialect of SQLAlchemy,
tests/test_connect.py of asyncpg, tests/test_connection_pool.py of redis-py, t/unit/utils/test_url.py of kombu,
tests/unit/connection_parameters_tests.py of pika, source/connection-string/tests of mongodb/specifications,
tests/test_dj_database_url.py of dj-database-url and tests/test_db.py of django-environ.
"""

from __future__ import annotations

_LIBPQ = """
postgresql://
postgres://
postgres:///
postgresql://u:p@h:12345/d
postgresql://u@h:12345/d
postgresql://u@h/
postgresql://u@
postgresql://h:12345/
postgresql://h:12345
postgresql://h?
postgresql://?hostaddr=127.0.0.1
postgresql://h.example?hostaddr=10.1.2.4
postgresql://%68%6Fst/
postgresql://h/d?user=u&port=12345
postgresql://h/d?u%73er=v&port=12345
postgresql://h/d?u%7aer=v
postgresql://h:12345?user=u
postgresql://[::1]:12345/d
postgresql://[2001:db8::1234]/
postgres:///d
postgres://u@/d
postgres://?host=/path/to/socket
postgresql://h?uzer=
postgre://
postgres://[::1
postgres://[]
postgres://[::1]z
postgres://@h
postgres://h:/
postgres://:12345/
postgres://u@:12345?host=/path/to/socket
postgres://:12345/d?host=/path/to/socket
postgres://%2Fvar%2Flib%2Fpostgresql/d
postgresql://h?sslmode=disable
postgresql://h?sslmode=verify-full
postgresql://h1:1,h2:2,h3:3/d?target_session_attrs=read-write
postgresql://h1,h2/d?load_balance_hosts=random
"""
_DSN = r"""
host=localhost port=5432 dbname=mydb connect_timeout=10
host=h user=u password='it\'s' dbname='a b'
host=h user=u password=a\ b
host=h options='-c geqo=off -c statement_timeout=5min'
host=a,b,c port=1,2,3 dbname=d
host=a,b port=1
host=/tmp dbname=d user=u
dbname = d
dbname=d
service=mine
host=h sslmode=require sslrootcert=/ca.pem
host=h user=
"""
_ASYNCPG = """
postgresql://u:p@h:1/d
postgresql://u@127.0.0.1:6666
postgres://h:1,h2:2/d?user=u
postgresql://u3:123123@localhost:5555/abcdef
postgresql://u@h/d?sslmode=require
postgresql://u@h/d?param=sss&param2=1
postgresql:///d?host=/tmp/mysock&user=u
postgresql:///d?host=h&port=2222&user=u&password=p
postgresql://us%40r:p%40ss@%2Ftmp%2Fsock/d
postgresql://u@h1,h2:5432/d
postgresql://[::1]:5433/d
pq:///d?host=/tmp
postgresql:///d?host=h1:1,h2:2
"""
_SQLALCHEMY = {
    "SQLAlchemy, PostgreSQL": """
        postgresql+psycopg2://u:p@h:110//usr/db_file.db
        postgresql+psycopg2://u:p@h/d
        postgresql+psycopg2://u:p@/d
        postgresql+psycopg2://u@h
        postgresql+psycopg2://u:apples%2Foranges@h/d
        postgresql+psycopg2://u:a%40b%3Ac@[2001:da8:2004:1000::202]:83/d
        postgresql+psycopg2://u:p@h/d?application_name=a&options=-csearch_path%3Dx
        postgresql+psycopg2://u:p@/d?host=/var/run/postgresql
        postgresql+psycopg2://u:p@/d?host=a:1&host=b:2&host=c:3
        postgresql+psycopg://u:p@/d?host=a,b,c&port=1,2,3
    """,
    "SQLAlchemy, MySQL": """
        mysql+pymysql://u:p@h/d?charset=utf8mb4
        mysql+mysqldb://u:p@h:3307/d?unix_socket=/tmp/mysql.sock
        mariadb+pymysql://u:p@h/d?charset=utf8mb4
        mysql+aiomysql://u:p@h/d?charset=utf8
        mysql+mysqldb://u:p@h/d?ssl_ca=/ca.pem
    """,
    "SQLAlchemy, SQLite": """
        sqlite://
        sqlite:///:memory:
        sqlite:///relative.db
        sqlite:////absolute/a.db
        sqlite+aiosqlite:///a.db
        sqlite:///file:a.db?mode=ro&uri=true
    """,
    "SQLAlchemy, Oracle": """
        oracle+oracledb://u:p@h:1521/?service_name=s
        oracle+oracledb://u:p@h/sid
        oracle+oracledb://u:p@tnsalias
        oracle+oracledb://u:p@h:1521
    """,
    "SQLAlchemy, SQL Server, pyodbc": """
        mssql+pyodbc://u:p@mydsn
        mssql+pyodbc://mydsn
        mssql+pyodbc://u:p@h/d?driver=ODBC+Driver+18+for+SQL+Server
        mssql+pyodbc://u:p@h:1555/d?driver=SQL+Server
        mssql+pyodbc://h/d?driver=ODBC+Driver+17+for+SQL+Server&Encrypt=yes&TrustServerCertificate=yes
        mssql+pyodbc://u:p@h/d?driver=x&authentication=ActiveDirectoryPassword
        mssql+pyodbc://u:p%7Dw%3B@h/d?driver=x
    """,
}
_REDIS = """
redis://my.host
redis://localhost
redis://my%20host
redis://myhost
redis://h:6380
redis://%20u%20name:p@h
redis://:p%2F%2B%3D%3A%20w@h
redis://h/1
redis://h?db=2
redis://h/1?db=2
redis://h?socket_timeout=20.0&socket_connect_timeout=10.0&socket_keepalive=True&retry_on_timeout=Yes
redis://h?max_connections=32
redis://h?health_check_interval=60
redis://h?client_name=test-client
redis://h?a=1&b=2
rediss://my.host
rediss://h?ssl_cert_reqs=none
rediss://h?ssl_cert_reqs=optional
rediss://h?ssl_check_hostname=true
unix:///socket
unix://u:p@/socket
unix:///socket?db=1
unix:///my/path/to/../+_%2B%3D%24%2Fsocket?db=1
myhost
localhost:6379
"""
_AMQP = """
amqp://
amqp://h
amqp://u:p@h:5672/my%2Fvhost
amqp://u:p@h:5672/my/vhost
amqp://u:p@h/%2F
amqp://u:p@h/%2f
amqp://u:p@h//
amqp://h:5673/
amqps://u:p@h/v
amqp://us%20er:p%40ss@h
amqp://[::1]
"""
_MONGODB = """
mongodb://u:p@127.0.0.1
mongodb://u:p@[::1]:27018/admin
mongodb://u:p@127.0.0.1,h.example:27018
mongodb://u:p@h.example,[::1]:27019/admin
mongodb://u@127.0.0.1
mongodb://u:@127.0.0.1
mongodb://%40u%3Ax%2F%3D@h/my%3Ddb
mongodb://%24u:f%3Az%40%2F%3D@127.0.0.1/admin%3F?authMechanism=SCRAM-SHA-1
mongodb://!$&'()*,;=:!$&'()*,;=@127.0.0.1/admin?authMechanism=SCRAM-SHA-1
mongodb://CN%3Da%2COU%3Db@localhost/?authMechanism=MONGODB-X509
mongodb://u:p@h/admin?replicaSet=a%40b
mongodb://%2Ftmp%2Fmongodb-27017.sock
mongodb://%2Ftmp%2Fmongodb-27017.sock,%2Ftmp%2Fb.sock/d?w=majority
mongodb://h:0
mongodb://h:65536
mongodb://h:a
mongodb://
mongodb://,h
mongodb://u:p@h/a/b
mongodb://h?tls=true
mongodb://h/?tls=true&ssl=false
mongodb://h/?readPreference=secondary&readPreferenceTags=dc:a,rack:1&readPreferenceTags=
mongodb://h/?compressors=zlib&zlibCompressionLevel=5
mongodb://h/?authSource=%24external&authMechanism=MONGODB-AWS
mongodb://h/?directConnection=true
"""
_DJANGO = """
postgres://u:p@h.example:5431/d
postgres://%2Fvar%2Frun%2Fpostgresql/d
postgres://%2FUsers%2Fpostgres%2FRuN/d
postgres://u%24:p%25%40@h/d%2F2
postgres://u:p@[2001:db8:1234::1234:5678:90af]:5431/d
postgres://u:p@h/d?currentSchema=otherschema
postgres://u:p@h/d?sslrootcert=rds.pem&sslmode=verify-full
postgis://u:p@h:5431/d
mysql2://u:p@h/d?reconnect=true
mysql://u:p@h/d?ssl-ca=rds.pem
mysql://u@h/d
sqlite://:memory:
sqlite:///a.db
sqlite:////abs/a.db
"""
_HTTP = {
    "clickhouse-connect": """
        clickhouse://u:p@h:8123/d
        clickhouses://u:p@h/d
        clickhousedb://u:p@h/d?compress=lz4
        http://u:p@h:8124/d
        https://u:p@h:8443/d?verify=false
        clickhouse://h:443
    """,
    "elasticsearch": """
        http://localhost:9200
        https://u:p@h
        https://u:p@h:443/behind/a/proxy
        http://[::1]:9200
    """,
}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


PUBLISHED = {
    name: _lines(text)
    for name, text in {
        "libpq, URLs": _LIBPQ,
        "libpq, keywords and values": _DSN,
        "asyncpg": _ASYNCPG,
        **_SQLALCHEMY,
        "redis-py": _REDIS,
        "redis-py, asyncio": _REDIS,
        "pika": _AMQP,
        "aio-pika": _AMQP,
        "kombu, AMQP": _AMQP,
        "PyMongo": _MONGODB,
        "dj-database-url": _DJANGO,
        "django-environ": _DJANGO,
        **_HTTP,
    }.items()
}
