<?php
// What the summary by day and dimension gives, as a program in PHP adds it up exactly: rows unbuffered,
// amounts as they are spelled, bcmath.  Usage: sums.php SOCKET ORGANIZATION FIRST LAST (days, both included).
// Prints the sums and the processor time as JSON.
declare(strict_types=1);

[, $socket, $organization, $first, $last] = $argv;
$database = new mysqli('localhost', 'root', '', 'usage_record_api', 0, $socket);
$statement = $database->prepare('SELECT DATE(creation_time), records FROM usage_record_group FORCE INDEX (PRIMARY) '
    . 'WHERE organization_id = ? AND creation_time >= ? AND creation_time < ? + INTERVAL 1 DAY');
$statement->bind_param('sss', $organization, $first, $last);
$statement->execute();
$statement->bind_result($day, $records);
$sums = [];
while ($statement->fetch()) {
    // json_decode would make doubles of the amounts.
    preg_match_all('/"((?:[^"\\\\]|\\\\.)*)"\s*:\s*(-?[0-9]+(?:\.[0-9]+)?)/', (string) $records, $amounts, PREG_SET_ORDER);
    foreach ($amounts as [, $dimension, $quantity]) {
        $sums[$day][$dimension] = bcadd($sums[$day][$dimension] ?? '0', $quantity, 40);
    }
}
$used = getrusage();
$ms = fn (string $name): float => $used["ru_$name.tv_sec"] * 1e3 + $used["ru_$name.tv_usec"] / 1e3;
echo json_encode(['sums' => $sums, 'cpu_ms' => $ms('utime') + $ms('stime')]), "\n";
