-- Runs once, on an empty server. The roles have no passwords: they authenticate with certificates.
CREATE ROLE orders_owner LOGIN;
CREATE ROLE ordersuser LOGIN;
CREATE DATABASE ordersdb OWNER orders_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE ordersdb FROM PUBLIC;
GRANT CONNECT ON DATABASE ordersdb TO ordersuser;
