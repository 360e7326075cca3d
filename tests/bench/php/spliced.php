<?php
/* JSON columns go out as the text they are, between what json_encode made of the rest. */
declare(strict_types=1);

require __DIR__ . '/page.php';

respond(function (int $next, array $rows, string $organization): string {
    $flags = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
    $organization = json_encode($organization, $flags);
    $groups = [];
    foreach ($rows as $row) {
        $head = json_encode([
            'buyerID' => $row['buyer_id'] ?? '',
            'creationTime' => rfc3339($row['creation_time']),
            'entitlementID' => $row['entitlement_id'] ?? '',
            'id' => $row['id'],
            'lastUpdateTime' => rfc3339($row['last_update_time']),
            'partner' => $row['partner'],
            'serialID' => $row['serial_id'],
            'status' => $row['status'],
            'usageRecordReportID' => $row['usage_record_report_id'] ?? '',
        ], $flags);
        $groups[] = substr($head, 0, -1) . ',"metaInfo":' . ($row['meta_info'] ?? '{}')
            . ',"organizationID":' . $organization . ',"records":' . ($row['records'] ?? '{}') . '}';
    }
    return '{"nextOffset":' . $next . ',"usageRecordGroups":[' . implode(',', $groups) . ']}';
});
