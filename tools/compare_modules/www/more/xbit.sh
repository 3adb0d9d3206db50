<!--#echo var="COLOR" -->
