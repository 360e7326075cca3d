<?php
/*
 * The same call as a LAMP shop would write it: mysqli, a persistent connection, a prepared
 * statement.  What idiomatic.php and spliced.php share: everything but the way in which rows
 * become JSON.  The statement, with its index named, is the service's, so that the
 * database has the same to do.  What no fair client sends, the service refuses and this
 * does not look at.
 */
declare(strict_types=1);

function fail(int $status, string $message): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    exit(json_encode($message));
}

function integer(string $name, int $default, int $min, int $max): int
{
    $value = filter_var($_GET[$name] ?? $default, FILTER_VALIDATE_INT,
                        ['options' => ['min_range' => $min, 'max_range' => $max]]);
    if ($value === false) {
        fail(400, "$name must be an integer from $min to $max");
    }
    return $value;
}

function day(string $name, DateTimeImmutable $default): DateTimeImmutable
{
    if (!isset($_GET[$name])) {
        return $default;
    }
    $day = DateTimeImmutable::createFromFormat('!Y-m-d', $_GET[$name], new DateTimeZone('UTC'));
    if ($day === false || $day->format('Y-m-d') !== $_GET[$name]) {
        fail(400, "$name must be a day YYYY-MM-DD");
    }
    return $day;
}

function organization(): string
{
    $path = explode('/', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
    if (count($path) !== 4 || $path[3] !== 'usageRecordGroup') {
        fail(404, 'there is nothing at this path');
    }
    return rawurldecode($path[2]);
}

/** Runs the statement of a page; it gives one row more than the page holds. */
function query(string $organization, int $limit, int $offset): mysqli_result
{
    $columns = ['partner' => 'partner', 'buyerId' => 'buyer_id', 'entitlementId' => 'entitlement_id',
                'productId' => 'product_id', 'status' => 'status', 'source' => 'source'];
    $columns = array_intersect_key($columns, $_GET);
    $index = $columns === [] ? 'PRIMARY' : 'by_' . implode('_', $columns);
    $where = implode('', array_map(fn ($column) => " AND $column = ?", $columns));
    $end = day('endDate', new DateTimeImmutable('today', new DateTimeZone('UTC')));
    $start = day('startDate', $end->modify('-30 days'));
    $values = array_map(fn ($name) => $_GET[$name], array_keys($columns));

    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    $database = new mysqli('p:localhost', $_SERVER['DB_USER'], '', $_SERVER['DB_NAME'], 0,
                           $_SERVER['DB_SOCKET']);
    $database->set_charset('utf8mb4');
    return $database->execute_query(
        "SELECT creation_time, serial_id, id, partner, buyer_id, entitlement_id, status, meta_info,
                records, usage_record_report_id, last_update_time
         FROM usage_record_group FORCE INDEX ($index)
         WHERE organization_id = ?$where AND creation_time >= ? AND creation_time <= ?
         ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?",
        [$organization, ...$values, $start->format('Y-m-d'), $end->format('Y-m-d 23:59:59.999'),
         $limit + 1, $offset]);
}

function rfc3339(string $time): string
{
    return str_replace(' ', 'T', $time) . 'Z';
}

/** Answers the request: $write turns nextOffset, rows and the organization into the body. */
function respond(callable $write): void
{
    try {
        $organization = organization();
        $limit = integer('limit', 1000, 1, 1000);
        $offset = integer('offset', 0, 0, 2147483647);
        $rows = query($organization, $limit, $offset)->fetch_all(MYSQLI_ASSOC);
        $next = 0;
        if (count($rows) > $limit) {
            array_pop($rows);
            $next = $offset + $limit;
        }
        $body = $write($next, $rows, $organization);
    } catch (mysqli_sql_exception | JsonException $exception) {
        error_log((string) $exception);
        fail(500, 'internal server error');
    }
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($body));
    echo $body;
}
